import { z } from 'zod';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import { CALIBRATION_METHODS } from '../../convert/quantize/ranges.ts';
import type { FinetuneJobs } from '../../finetuning/finetune-jobs.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { DEFAULT_METHOD, type ModelQuantizer } from '../../quantizing/model-quantizer.ts';
import { QUANTIZATION, type QuantizationRequest } from '../../quantizing/quantization-job.ts';
import { unsupportedMediaType } from '../body.ts';
import { oneOf, parseOptions } from '../options.ts';
import { sendJson } from '../respond.ts';
import { DATASET_FIELD, DatasetReceiver, datasetWithoutName, type UploadLimits } from './dataset-upload.ts';
import { jobDocument, ownerOf } from './jobs.ts';
import { pathParameter, type Route } from './route.ts';

const optionsSchema = z.strictObject({ method: oneOf(CALIBRATION_METHODS).default(DEFAULT_METHOD) });

interface QuantizeDependencies {
  readonly finetuning: Pick<FinetuneJobs, 'submitOther'>;
  readonly quantizer: Pick<ModelQuantizer, 'resolve'>;
  /** Folder for images that are arriving, on the disk of the jobs. */
  readonly uploadDir: string;
  readonly config: UploadLimits & Pick<Config, 'basePath'>;
  readonly metrics: Pick<Metrics, 'startUpload'>;
}

/** `POST /models/{id}/quantize`: queues the making of a model's variant int8. */
export function quantizeRoutes({ finetuning, quantizer, uploadDir, config, metrics }: QuantizeDependencies): Route[] {
  const receiver = new DatasetReceiver(uploadDir, config, metrics);
  return [
    {
      method: 'post',
      path: '/models/{id}/quantize',
      handle: async (request, response) => {
        // Before the upload, which may be long.
        const { name, version } = quantizer.resolve(pathParameter(request, 'id'));
        const reference = `${name}@${version}`;
        response.locals.subject = { model: reference };
        if (!/^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')) {
          throw unsupportedMediaType(
            request,
            `a multipart/form-data form with a zip of images in the part "${DATASET_FIELD}", as "curl -F ` +
              `${DATASET_FIELD}=@photos.zip" does`,
          );
        }
        const job = await receiver.receive(request, response, async ({ path, fields }) => {
          if (path === undefined) {
            if (DATASET_FIELD in fields) throw datasetWithoutName();
            throw new AppError(
              'invalid_request',
              `The form needs a zip of images in the part "${DATASET_FIELD}", with a file name, as "curl -F ` +
                `${DATASET_FIELD}=@photos.zip" sends it.`,
              { context: { field: DATASET_FIELD } },
            );
          }
          const { method } = parseOptions(optionsSchema, request.query, fields);
          const payload: QuantizationRequest = { kind: QUANTIZATION, name: reference, method };
          return finetuning.submitOther({ ...payload }, path, ownerOf(response));
        });
        response.locals.subject = { model: reference, job: job.id };
        response.setHeader('Location', `${config.basePath}/jobs/${job.id}`);
        sendJson(response, 202, jobDocument(job));
      },
    },
  ];
}
