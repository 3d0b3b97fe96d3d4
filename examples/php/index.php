<?php // Takes events, checks who has sent them, and keeps each once.
declare(strict_types=1);
http_response_code(500); // until the event is safe

$key = base64_decode(substr(getenv('WEBHOOK_SECRET'), strlen('whsec_')));
$body = file_get_contents('php://input');
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$sent = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '0';
$want = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$sent.$body", $key, true));
$given = explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '');
$genuine = array_filter($given, fn ($signature) => hash_equals($want, $signature));
if (!$genuine || abs(time() - (int) $sent) > 300) {
    http_response_code(401);
    exit;
}
$event = json_decode($body, true, flags: JSON_THROW_ON_ERROR);

// An event may come again, with the same id. It is safe before the answer.
$db = new PDO('sqlite:' . __DIR__ . '/events.db');
$db->exec('CREATE TABLE IF NOT EXISTS events (id TEXT PRIMARY KEY, body BLOB)');
$insert = $db->prepare('INSERT OR IGNORE INTO events VALUES (?, ?)');
$insert->execute([$event['id'], $body]);
if ($insert->rowCount() > 0) {
    file_put_contents('php://stderr', "$event[id] $event[type]\n");
}
http_response_code(204);
