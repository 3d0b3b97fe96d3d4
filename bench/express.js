// The usual app that takes Meta's webhooks by itself, as a contender.
const crypto = require('node:crypto');
const fs = require('node:fs');
const express = require('express');

const { HOST, PORT, CALLBACK, VERIFY_TOKEN, APP_SECRET, CERT, KEY, CA, CLIENT } = process.env;

const app = express();
app.disable('x-powered-by');
app.disable('etag');

if (CLIENT) {
	app.use((req, res, next) => {
		if (!req.socket.authorized || req.socket.getPeerCertificate().subject.CN !== CLIENT) return res.sendStatus(403);
		next();
	});
}

app.get(CALLBACK, (req, res) => {
	if (req.query['hub.mode'] !== 'subscribe' || req.query['hub.verify_token'] !== VERIFY_TOKEN) return res.sendStatus(403);
	res.type('text/plain').send(req.query['hub.challenge']);
});

app.post(CALLBACK, express.raw({ type: () => true, limit: '4mb' }), (req, res) => {
	const want = Buffer.from('sha256=' + crypto.createHmac('sha256', APP_SECRET).update(req.body).digest('hex'));
	const got = Buffer.from(req.get('X-Hub-Signature-256') ?? '');
	if (got.length !== want.length || !crypto.timingSafeEqual(got, want)) return res.sendStatus(401);
	let updates = 0;
	for (const entry of JSON.parse(req.body).entry) updates += entry.changes.length;
	if (updates === 0) return res.sendStatus(400);
	res.status(200).end();
});

const server = CERT
	? require('node:https').createServer({ cert: fs.readFileSync(CERT), key: fs.readFileSync(KEY), ca: fs.readFileSync(CA), requestCert: true }, app)
	: require('node:http').createServer(app);
server.keepAliveTimeout = 60_000;
server.listen(Number(PORT), HOST);
