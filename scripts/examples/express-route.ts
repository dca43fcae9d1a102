/**
 * A route of your own Express application that says what a photo shows, with the whole server of Menagerie mounted
 * beside it, under /zoo: node dist/scripts/examples/express-route.js [port]
 *
 *   curl --data-binary @photo.jpg -H 'content-type: image/jpeg' localhost:3000/what
 *   curl -F image=@photo.jpg localhost:3000/zoo/classify        # and the page is at http://localhost:3000/zoo/
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { createServer, MenagerieError, openZoo } from 'menagerie';

const [port = '3000'] = process.argv.slice(2);
const dataDir = process.env['DATA_DIR'] ?? './data';
const zoo = await openZoo({ dataDir });
const menagerie = await createServer({ dataDir, basePath: '/zoo' });

const app = express();
app.post('/what', express.raw({ type: 'image/*', limit: '20mb' }), async (request, response) => {
  try {
    const [answer] = await zoo.classify([request.body], { topK: 3 });
    if (answer?.error !== undefined) throw answer.error;
    response.json(answer?.predictions.map(({ label, score }) => ({ label, score })));
  } catch (thrown) {
    const known = thrown instanceof MenagerieError;
    response.status(known ? thrown.status : 500).json({ code: known ? thrown.code : 'internal' });
  }
});
app.use('/zoo', menagerie.handler);

const server = app.listen(Number(port), '127.0.0.1');
await once(server, 'listening');
console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);

// Signals are for your program to handle: neither the zoo nor the server does.
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
server.close();
await Promise.all([menagerie.close(), zoo.close()]);
