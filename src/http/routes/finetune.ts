import { AppError } from '../../common/errors.ts';
import { UPLOAD_PATH } from '../body-limits.ts';
import { clientSignal } from '../client-signal.ts';
import type { HttpDependencies } from '../dependencies.ts';
import { parseFinetuneForm } from '../finetune-form.ts';
import { jobDocument } from '../job-document.ts';
import { requireMediaType } from '../media-type.ts';
import { sendJson } from '../respond.ts';
import { DATASET_FIELD, type Upload, UploadReceiver } from '../upload.ts';
import type { Route } from './route.ts';

type Needs = Pick<HttpDependencies, 'finetuning' | 'limits' | 'uploadDir'>;

/** `POST /finetune`: a labelled zip becomes a job, or with `dry_run` a report on the zip. */
export function finetuneRoutes({ finetuning, limits, uploadDir }: Needs): Route[] {
  const uploads = new UploadReceiver(uploadDir, limits);
  return [
    {
      method: 'post',
      path: UPLOAD_PATH,
      handle: async (request, response) => {
        requireMediaType(
          request,
          /^multipart\/form-data\b/i,
          `a multipart/form-data form with a zip in the part "${DATASET_FIELD}"`,
        );
        const signal = clientSignal(response);
        // Answered once nothing of the upload is left.
        const answer = await uploads.receive(request, response, async (upload) => {
          const path = requireDataset(upload);
          const { request: asked, options, dryRun } = parseFinetuneForm(request.query, upload.fields);
          if (dryRun) return { report: await finetuning.inspect(options, path, signal) };
          return { job: await finetuning.submit(asked, path) };
        });
        if ('report' in answer) {
          sendJson(response, 200, answer.report);
          return;
        }
        response.setHeader('Location', `/jobs/${answer.job.id}`);
        sendJson(response, 202, jobDocument(answer.job));
      },
    },
  ];
}

function requireDataset({ path, fields }: Upload): string {
  if (path !== undefined) return path;
  const hint = DATASET_FIELD in fields ? ', but it is text: send it as a file, with a file name' : '';
  throw new AppError('invalid_request', `The form needs a zip in the part "${DATASET_FIELD}"${hint}.`, {
    context: { field: DATASET_FIELD },
  });
}
