"""Takes events, checks who has sent them, and keeps each once."""
import base64, contextlib, hmac, json, os, sqlite3, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))

class Webhooks(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        id, sent = self.headers.get("Webhook-Id", ""), self.headers.get("Webhook-Timestamp", "")
        mac = hmac.digest(KEY, f"{id}.{sent}.".encode() + body, "sha256")
        given = self.headers.get("Webhook-Signature", "").split()
        genuine = any(hmac.compare_digest(b"v1," + base64.b64encode(mac), s.encode()) for s in given)
        if genuine := genuine and abs(time.time() - int(sent)) < 300:
            self.keep(json.loads(body), body)
        self.send_response(204 if genuine else 401)
        self.end_headers()

    def keep(self, event, body):
        """An event may come again, with the same id. It is safe before the answer."""
        with contextlib.closing(sqlite3.connect("events.db")) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body BLOB)")
            if db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (event["id"], body)).rowcount:
                print(event["id"], event["type"], flush=True)

ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 3000))), Webhooks).serve_forever()
