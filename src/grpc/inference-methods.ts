import { imageCount, type TensorInference } from '../answering/tensor-inference.ts';
import type { Readiness } from '../catalogue/default-model.ts';
import type { ModelControl } from '../catalogue/model-control.ts';
import { AppError, messageOf } from '../common/errors.ts';
import { decode, encode, type Fields, type Message, type MessageType } from '../common/protobuf.ts';
import type { InferenceStatistics } from '../metrics/inference-statistics.ts';
import {
  empty,
  INFERENCE_SERVICE,
  indexRequest,
  indexResponse,
  liveness,
  modelConfigResponse,
  modelMetadata,
  modelReference,
  parameterValues,
  readiness,
  repositoryRequest,
  serverMetadata,
  statisticsResponse,
} from '../oip/messages.ts';
import type { BodyParser } from '../protocol/body-parser.ts';
import { computedOutputs } from '../protocol/inference-request.ts';
import { inferenceMessage } from '../protocol/message-response.ts';
import { metadataDocument, referenceTo } from '../protocol/model-metadata.ts';
import { allStatistics, type BatchSettings, configurationMessage, modelStatistics } from '../protocol/triton.ts';
import type { Method } from './method.ts';

/** Supported extensions of the protocol, by Triton's names. */
const EXTENSIONS = ['classification', 'model_configuration', 'model_repository', 'statistics'];
/** Fields of a message without tensors: names, and parameters. */
const MAX_FIELDS = 1_000;

/** Dependencies of the methods. */
export interface InferenceDependencies {
  readonly inference: Pick<TensorInference, 'describe' | 'infer'>;
  readonly control: Pick<ModelControl, 'state' | 'index' | 'load' | 'unload'>;
  readonly statistics: Pick<InferenceStatistics, 'of'>;
  readonly config: BatchSettings;
  readonly parser: Pick<BodyParser, 'parse'>;
  /** Whether the default model answers. */
  readonly readiness: () => Readiness;
  readonly isShuttingDown: () => boolean;
  readonly version: string;
}

/** The Open Inference Protocol, version 2, and Triton's extensions: what `/v2` is in HTTP. */
export function inferenceMethods(dependencies: InferenceDependencies): Method[] {
  const { inference, control, statistics, config, parser, isShuttingDown, version } = dependencies;
  const isReady = () => !isShuttingDown() && dependencies.readiness().ready;
  return [
    { ...path('ServerLive'), scope: 'open', whileShuttingDown: true, handle: () => encode(liveness, { live: true }) },
    {
      ...path('ServerReady'),
      scope: 'open',
      whileShuttingDown: true,
      handle: () => encode(readiness, { ready: isReady() }),
    },
    {
      ...path('ModelReady'),
      scope: 'classify',
      handle: (message) => encode(readiness, { ready: isLoaded(control, referenceOf(message)) }),
    },
    {
      ...path('ServerMetadata'),
      scope: 'classify',
      handle: (message) => {
        read(empty, message);
        return encode(serverMetadata, { name: 'menagerie', version, extensions: EXTENSIONS });
      },
    },
    {
      ...path('ModelMetadata'),
      scope: 'classify',
      handle: async (message) =>
        encode(modelMetadata, metadataDocument(await inference.describe(referenceOf(message)))),
    },
    {
      ...path('ModelConfig'),
      scope: 'classify',
      handle: async (message) => {
        const specification = await inference.describe(referenceOf(message));
        return encode(modelConfigResponse, { config: configurationMessage(specification, config) });
      },
    },
    {
      ...path('ModelStatistics'),
      scope: 'classify',
      handle: async (message) => {
        const reference = referenceOf(message);
        // Without a name, of all models.
        const model_stats =
          reference === ''
            ? allStatistics(control.index(false), statistics)
            : modelStatistics(reference, await inference.describe(reference), statistics);
        return encode(statisticsResponse, { model_stats });
      },
    },
    {
      ...path('ModelInfer'),
      scope: 'classify',
      handle: async (message, { signal, note }) => {
        const parsed = await parser.parse('message', message, signal, 0);
        const model = referenceTo(parsed.model, parsed.version);
        note({ model, images: imageCount(parsed.input) });
        const { runtime, input } = parsed;
        const answer = await inference.infer({ model, runtime, input, outputs: computedOutputs(parsed), signal });
        note({ model: `${answer.model}@${answer.version}` });
        return inferenceMessage(answer, parsed);
      },
    },
    {
      ...path('RepositoryIndex'),
      scope: 'classify',
      handle: (message) => {
        const { repository, ready = false } = read(indexRequest, message);
        requireOnlyRepository(repository);
        return encode(indexResponse, { models: control.index(ready) });
      },
    },
    {
      ...path('RepositoryModelLoad'),
      scope: 'admin',
      isChange: true,
      handle: async (message, { note }) => {
        const model = changedModel(message);
        note({ model });
        await control.load(model);
        return encode(empty, {});
      },
    },
    {
      ...path('RepositoryModelUnload'),
      scope: 'admin',
      isChange: true,
      handle: async (message, { note }) => {
        const model = changedModel(message);
        note({ model });
        await control.unload(model);
        return encode(empty, {});
      },
    },
  ];
}

function path(name: string): Pick<Method, 'path'> {
  return { path: `/${INFERENCE_SERVICE}/${name}` };
}

/** @throws AppError `invalid_request` when the bytes are no such message */
function read<F extends Fields>(type: MessageType<F>, message: Uint8Array): Message<F> {
  try {
    return decode(type, message, MAX_FIELDS);
  } catch (thrown) {
    throw new AppError('invalid_request', `The message of the call cannot be read (${messageOf(thrown)}).`);
  }
}

function referenceOf(message: Uint8Array): string {
  const { name = '', version = '' } = read(modelReference, message);
  return referenceTo(name, version === '' ? undefined : version);
}

/** A model or version that does not exist is not ready, as Triton has it, which its clients rely on. */
function isLoaded(control: Pick<ModelControl, 'state'>, reference: string): boolean {
  try {
    return control.state(reference).state === 'READY';
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.status === 404) return false;
    throw thrown;
  }
}

/** The model to load or unload. @throws AppError `invalid_request` for what is not supported, as in HTTP */
function changedModel(message: Uint8Array): string {
  const { repository, model = '', parameters } = read(repositoryRequest, message);
  requireOnlyRepository(repository);
  const { unload_dependents: dependents = false, ...others } = parameterValues(parameters);
  const [unknown] = dependents === false ? Object.keys(others) : ['unload_dependents'];
  if (unknown === undefined) return model;
  throw new AppError('invalid_request', `The parameter "${unknown.slice(0, 40)}" is not supported; send none.`);
}

function requireOnlyRepository(name = ''): void {
  if (name === '') return;
  throw new AppError(
    'invalid_request',
    `There is one repository, and it has no name; leave out "${name.slice(0, 40)}".`,
  );
}
