/** A server with nothing to do, for scripts/bench-start.ts. */
import express from 'express';

express()
  .get('/', (_request, response) => {
    response.json({});
  })
  .listen(Number(process.env['PORT']), '127.0.0.1');
