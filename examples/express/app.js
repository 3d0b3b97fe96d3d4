// Takes events, checks who has sent them, and keeps each once.
import { HTTP } from "cloudevents";
import express from "express";
import { existsSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// The signature is over the bytes of the body: no JSON parser may come first.
const raw = express.raw({ type: () => true, limit: "16mb" });

express()
  .post("/webhooks", raw, async (req, res) => {
    try {
      webhook.verify(req.body, req.headers);
    } catch {
      return res.sendStatus(401);
    }
    const event = HTTP.toEvent({ headers: req.headers, body: req.body.toString() });
    // An event may come again, with the same id. It is safe before the answer.
    const file = `event-${event.id}.json`;
    if (!existsSync(file)) {
      await writeFile(`${file}.part`, req.body);
      await rename(`${file}.part`, file);
      console.log(event.id, event.type);
    }
    res.sendStatus(204);
  })
  .listen(process.env.PORT ?? 3000, "127.0.0.1");
