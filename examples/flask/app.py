"""Takes events, checks who has sent them, and keeps each once."""
import base64, contextlib, hmac, os, sqlite3, time
from flask import Flask, abort, request

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 16 << 20
KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))

@app.post("/webhooks")
def webhooks():
    body = request.get_data()  # the signature is over the bytes
    id, sent = request.headers.get("Webhook-Id", ""), request.headers.get("Webhook-Timestamp", "")
    mac = hmac.digest(KEY, f"{id}.{sent}.".encode() + body, "sha256")
    given = request.headers.get("Webhook-Signature", "").split()
    genuine = any(hmac.compare_digest(b"v1," + base64.b64encode(mac), s.encode()) for s in given)
    if not genuine or abs(time.time() - int(sent)) > 300:
        abort(401)
    event = request.get_json()
    # An event may come again, with the same id. It is safe before the answer.
    with contextlib.closing(sqlite3.connect("events.db")) as db, db:
        db.execute("CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body BLOB)")
        if db.execute("INSERT OR IGNORE INTO events VALUES (?, ?)", (event["id"], body)).rowcount:
            print(event["id"], event["type"], flush=True)
    return "", 204
