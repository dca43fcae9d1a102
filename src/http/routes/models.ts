import { pipeline } from 'node:stream/promises';
import type { Request } from 'express';
import { EXPORT_FORMATS, type ExportOptions, STORED_WEIGHTS } from '../../catalogue/export/export-format.ts';
import type { ReportFormat } from '../../catalogue/model-catalogue.ts';
import { AppError } from '../../common/errors.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { REPORT_POLICY } from '../middleware/security-headers.ts';
import { send, sendJson } from '../respond.ts';
import type { Route } from './route.ts';

const REPORT_TYPES = { json: 'application/json; charset=utf-8', html: 'text/html; charset=utf-8' } as const;

/** What the zoo holds, in short and in full, and to take away. */
export function modelRoutes({ models }: Pick<HttpDependencies, 'models'>): Route[] {
  return [
    {
      method: 'get',
      path: '/models',
      handle: (_request, response) => sendJson(response, 200, { models: models.list() }),
    },
    {
      method: 'get',
      path: '/models/{id}',
      handle: async (request, response) => sendJson(response, 200, await models.describe(idOf(request))),
    },
    {
      method: 'get',
      path: '/models/{id}/report',
      handle: async (request, response) => {
        const format = reportFormat(request);
        const text = await models.report(idOf(request), format);
        response.setHeader('Vary', 'Accept');
        if (format === 'html') response.setHeader('Content-Security-Policy', REPORT_POLICY);
        send(response, REPORT_TYPES[format], text);
      },
    },
    {
      method: 'get',
      path: '/models/{id}/report/pictures',
      handle: async (request, response) =>
        send(response, REPORT_TYPES.json, await models.reportPictures(idOf(request))),
    },
    {
      method: 'get',
      path: '/models/{id}/export',
      handle: async (request, response) => {
        const { filename, zip } = await models.export(idOf(request), exportOptions(request));
        response.setHeader('Content-Type', 'application/zip');
        response.setHeader('Content-Disposition', `attachment; filename="${filename}"`);
        // A server that stops does not wait for what might follow a long download.
        response.setHeader('Connection', 'close');
        if (request.method !== 'HEAD') await pipeline(zip, response);
        else {
          zip.destroy();
          response.end();
        }
      },
    },
  ];
}

function idOf(request: Request): string {
  return String(request.params['id']);
}

function reportFormat(request: Request): ReportFormat {
  const { format } = request.query;
  if (format === 'json' || format === 'html') return format;
  if (format !== undefined) throw wrongOption('format', format, ['json', 'html']);
  return request.accepts(['json', 'html']) === 'html' ? 'html' : 'json';
}

function exportOptions(request: Request): ExportOptions {
  const { format: givenFormat = 'onnx', quantize: givenWeights = 'float32' } = request.query;
  const format = EXPORT_FORMATS.find((each) => each === givenFormat);
  if (format === undefined) throw wrongOption('format', givenFormat, EXPORT_FORMATS);
  const quantize = STORED_WEIGHTS.find((each) => each === givenWeights);
  if (quantize === undefined) throw wrongOption('quantize', givenWeights, STORED_WEIGHTS);
  if (quantize === 'float32' || format === 'tfjs') return { format, quantize };
  throw wrong('quantize', `must be float32 with format=${format}: only the weights of tfjs are stored otherwise`);
}

function wrongOption(field: string, given: unknown, known: readonly string[]): AppError {
  return wrong(field, `must be ${known.join(' or ')}, not "${given}"`);
}

function wrong(field: string, message: string): AppError {
  return new AppError('invalid_request', `${field} ${message}.`, { context: { errors: [{ field, message }] } });
}
