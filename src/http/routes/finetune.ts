import type { Request } from 'express';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import type { FinetuneJobs } from '../../finetuning/finetune-jobs.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { unsupportedMediaType } from '../body.ts';
import { clientSignal } from '../client-gone.ts';
import { sendJson } from '../respond.ts';
import {
  DATASET_FIELD,
  DatasetReceiver,
  type DatasetUpload,
  datasetWithoutName,
  type UploadLimits,
} from './dataset-upload.ts';
import { parseFinetuneForm } from './finetune-form.ts';
import { jobDocument, ownerOf } from './jobs.ts';
import type { Route } from './route.ts';

interface FinetuneDependencies {
  readonly finetuning: Pick<FinetuneJobs, 'submit' | 'inspect'>;
  /** Folder for data sets that are arriving, on the disk of the jobs. */
  readonly uploadDir: string;
  readonly config: UploadLimits & Pick<Config, 'basePath'>;
  readonly metrics: Pick<Metrics, 'startUpload'>;
}

/** `POST /finetune`: queues a fine-tune on a labelled zip, or with `dry_run` reports on the zip. */
export function finetuneRoutes({ finetuning, uploadDir, config, metrics }: FinetuneDependencies): Route[] {
  const receiver = new DatasetReceiver(uploadDir, config, metrics);
  return [
    {
      method: 'post',
      path: '/finetune',
      handle: async (request, response) => {
        if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')) {
          throw unsupportedMediaType(
            request,
            `a multipart/form-data form with a zip in the part "${DATASET_FIELD}", as "curl -F ` +
              `${DATASET_FIELD}=@photos.zip" does`,
          );
        }
        const key = idempotencyKey(request);
        const signal = clientSignal(response);
        const outcome = await receiver.receive(request, response, async (upload) => {
          const path = requireDataset(upload);
          const { request: finetune, options, dryRun, priority } = parseFinetuneForm(request.query, upload.fields);
          response.locals.subject = { name: finetune.name, dry_run: dryRun };
          if (dryRun) return { report: await finetuning.inspect(options, path, signal) };
          const asking = { ...ownerOf(response), ...(key !== undefined && { key }), ...(priority && { priority }) };
          return { job: await finetuning.submit(finetune, path, asking) };
        });
        // The uploaded file is gone by now.
        if ('report' in outcome) {
          sendJson(response, 200, outcome.report);
          return;
        }
        response.locals.subject = { ...response.locals.subject, job: outcome.job.id };
        response.setHeader('Location', `${config.basePath}/jobs/${outcome.job.id}`);
        sendJson(response, 202, jobDocument(outcome.job));
      },
    },
  ];
}

/** Quotes, which the draft wants around a key, belong to its syntax: a key is the same with and without them. */
const KEY = /^"?([!#-~]{1,255}?)"?$/;

/** @throws AppError `invalid_request` for a key of other characters, or of more than 255 */
function idempotencyKey({ headers }: Request): string | undefined {
  const given = headers['idempotency-key'];
  if (given === undefined) return undefined;
  const key = KEY.exec(String(given))?.[1];
  if (key !== undefined) return key;
  throw new AppError(
    'invalid_request',
    'Idempotency-Key must be 1 to 255 visible characters of ASCII, such as a UUID.',
    {
      context: { field: 'Idempotency-Key' },
    },
  );
}

function requireDataset({ path, fields }: DatasetUpload): string {
  if (path !== undefined) return path;
  if (DATASET_FIELD in fields) throw datasetWithoutName();
  const form = `The form needs a zip in the part "${DATASET_FIELD}", with a file name`;
  throw new AppError('invalid_request', `${form}, as "curl -F ${DATASET_FIELD}=@photos.zip" sends it.`, {
    context: { field: DATASET_FIELD },
  });
}
