import { existsSync } from 'node:fs';
import { join } from 'node:path';
import express, { type RequestHandler } from 'express';
import type { HttpDependencies } from '../dependencies.ts';
import { PAGE_POLICY } from '../middleware/security-headers.ts';
import { sendJson } from '../respond.ts';
import { DOCS, OPENAPI } from './docs.ts';
import type { Route } from './route.ts';

/** The way in: the page where it is built, else the docs; links for programs. */
export function pageRoutes({ webDir, version }: Pick<HttpDependencies, 'webDir' | 'version'>): Route[] {
  const links = {
    docs: DOCS,
    openapi: OPENAPI,
    classify: '/classify',
    finetune: '/finetune',
    jobs: '/jobs',
    models: '/models',
    metrics: '/metrics',
  };
  return [
    {
      method: 'get',
      path: '/',
      handle: (request, response) => {
        response.setHeader('Vary', 'Accept');
        if (request.accepts(['json', 'html']) !== 'html') {
          sendJson(response, 200, { name: 'menagerie', version, links });
        } else if (!existsSync(join(webDir, 'index.html'))) response.redirect(302, DOCS);
        else {
          response.setHeader('Content-Security-Policy', PAGE_POLICY);
          response.setHeader('Permissions-Policy', 'camera=(self), microphone=(), geolocation=()');
          // Asked for each time, answered with 304 while it is the same: it names the files of one build.
          response.setHeader('Cache-Control', 'no-cache');
          response.sendFile('index.html', { root: webDir, cacheControl: false });
        }
      },
    },
  ];
}

/** Scripts, styles and the rest of the page. Their names hold their digests, so that a browser may keep them for ever. */
export function pageAssets(webDir: string): RequestHandler {
  return express.static(join(webDir, 'assets'), {
    index: false,
    redirect: false,
    setHeaders: (response) => response.setHeader('Cache-Control', 'public, max-age=31536000, immutable'),
  });
}
