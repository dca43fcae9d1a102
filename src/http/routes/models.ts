import { pipeline } from 'node:stream/promises';
import type { Request } from 'express';
import { z } from 'zod';
import { EXPORT_FORMATS, type ExportOptions } from '../../catalogue/export/export-format.ts';
import type { ModelCatalogue, ReportFormat } from '../../catalogue/model-catalogue.ts';
import { WEIGHT_STORAGES } from '../../convert/formats/tfjs/weights.ts';
import { VARIANTS } from '../../registry/registry.ts';
import { REPORT_POLICY } from '../middleware/security-headers.ts';
import { invalidOptions, oneOf, parseOptions } from '../options.ts';
import { send, sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

const REPORT_TYPES = { json: 'application/json; charset=utf-8', html: 'text/html; charset=utf-8' } as const;

const REPORT_FORMATS = ['json', 'html'] as const satisfies readonly ReportFormat[];

const reportSchema = z.strictObject({ format: oneOf(REPORT_FORMATS).optional() });

const exportSchema = z.strictObject({
  format: oneOf(EXPORT_FORMATS).default('onnx'),
  quantize: oneOf(WEIGHT_STORAGES).default('float32'),
  variant: oneOf(VARIANTS).default('float32'),
});

interface ModelDependencies {
  readonly catalogue: Pick<ModelCatalogue, 'list' | 'describe' | 'report' | 'reportPictures' | 'export'>;
}

/** `/models`: list, cards, reports and exports. */
export function modelRoutes({ catalogue }: ModelDependencies): Route[] {
  return [
    {
      method: 'get',
      path: '/models',
      handle: async (_request, response) => sendJson(response, 200, await catalogue.list()),
    },
    {
      method: 'get',
      path: '/models/{id}',
      handle: async (request, response) => {
        sendJson(response, 200, await catalogue.describe(pathParameter(request, 'id')));
      },
    },
    {
      method: 'get',
      path: '/models/{id}/report',
      handle: async (request, response) => {
        const format = reportFormat(request);
        const text = await catalogue.report(pathParameter(request, 'id'), format);
        response.vary('Accept');
        if (format === 'html') response.setHeader('Content-Security-Policy', REPORT_POLICY);
        send(response, REPORT_TYPES[format], text);
      },
    },
    {
      method: 'get',
      path: '/models/{id}/report/pictures',
      handle: async (request, response) =>
        send(response, REPORT_TYPES.json, await catalogue.reportPictures(pathParameter(request, 'id'))),
    },
    {
      method: 'get',
      path: '/models/{id}/export',
      handle: async (request, response) => {
        const { filename, zip } = await catalogue.export(pathParameter(request, 'id'), exportOptions(request));
        response.setHeader('Content-Type', 'application/zip');
        response.setHeader('Content-Disposition', `attachment; filename="${filename}"`);
        // A server that shuts down need not wait for another request after a long download.
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

/** The format that is asked for by name, else by the `Accept` header. */
function reportFormat(request: Request): ReportFormat {
  const { format } = parseOptions(reportSchema, request.query, {});
  return format ?? (request.accepts([...REPORT_FORMATS]) === 'html' ? 'html' : 'json');
}

function exportOptions(request: Request): ExportOptions {
  const options = parseOptions(exportSchema, request.query, {});
  if (options.variant !== 'float32' && options.format !== 'onnx' && options.format !== 'triton') {
    const words = `must be float32 with format=${options.format}: only onnx and triton have other variants`;
    throw invalidOptions([{ field: 'variant', message: words }]);
  }
  if (options.quantize === 'float32' || options.format === 'tfjs') return options;
  const message = `must be float32 with format=${options.format}: only tfjs stores weights in other types`;
  throw invalidOptions([{ field: 'quantize', message }]);
}
