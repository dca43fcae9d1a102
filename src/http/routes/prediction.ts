import { imageCount, type TensorInference } from '../../answering/tensor-inference.ts';
import type { ModelControl } from '../../catalogue/model-control.ts';
import type { Config } from '../../config.ts';
import type { BodyParser } from '../../protocol/body-parser.ts';
import { writeValues } from '../../protocol/inference-response.ts';
import { checkValueCount } from '../../protocol/output-tensor.ts';
import type { ByteBudget } from '../../serving/byte-budget.ts';
import { readBody } from '../body.ts';
import { clientSignal } from '../client-gone.ts';
import { noteWork } from '../middleware/request-state.ts';
import { send, sendJson } from '../respond.ts';
import { pathParameter, type Route } from './route.ts';

interface PredictionDependencies {
  readonly inference: Pick<TensorInference, 'infer' | 'names'>;
  readonly control: Pick<ModelControl, 'state'>;
  readonly config: Pick<Config, 'maxBodyBytes' | 'requestTimeoutMs' | 'stallTimeoutMs'>;
  readonly bodyBudget: ByteBudget;
  readonly parser: Pick<BodyParser, 'parse'>;
}

/** Version 1 of KServe's protocol, which TensorFlow Serving has too: the probabilities of all classes. */
export function predictionRoutes(dependencies: PredictionDependencies): Route[] {
  const { inference, control, config, bodyBudget: budget, parser } = dependencies;
  const { maxBodyBytes: maxBytes, requestTimeoutMs: timeoutMs, stallTimeoutMs } = config;
  return [
    {
      method: 'get',
      path: '/v1/models',
      handle: (_request, response) => sendJson(response, 200, { models: inference.names() }),
    },
    // Before the next one, whose `{id}` would match it as well.
    {
      method: 'post',
      path: '/v1/models/{id}:predict',
      handle: async (request, response) => {
        const body = await readBody(request, { maxBytes, timeoutMs, stallTimeoutMs, budget });
        const signal = clientSignal(response);
        const { input } = await parser.parse('predict', body, signal);
        const model = pathParameter(request, 'id');
        noteWork(response, { model, images: imageCount(input) });
        const answer = await inference.infer({ model, runtime: 'onnx', input, outputs: ['probabilities'], signal });
        noteWork(response, { model: `${answer.model}@${answer.version}` });
        const { data = new Float32Array(), shape: [images = 1] = [] } = answer.outputs.probabilities ?? {};
        checkValueCount(data.length);
        const classes = data.length / images;
        const rows: string[] = [];
        for (let row = 0; row < images; row++) {
          rows.push(`[${await writeValues(data.subarray(row * classes, (row + 1) * classes))}]`);
        }
        send(response, 'application/json; charset=utf-8', `{"predictions":[${rows.join(',')}]}`);
      },
    },
    {
      method: 'get',
      path: '/v1/models/{id}',
      handle: (request, response) => {
        const id = pathParameter(request, 'id');
        sendJson(response, 200, { name: id, ready: control.state(id).state === 'READY' });
      },
    },
  ];
}
