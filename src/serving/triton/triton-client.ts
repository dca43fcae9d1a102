import type { Client, ServiceError } from '@grpc/grpc-js';
import type { Logger } from '../../common/logger.ts';
import { decode, encode, type Fields, type Message, type MessageType } from '../../common/protobuf.ts';
import type { Grpc } from '../../oip/grpc-library.ts';
import { INFERENCE_SERVICE } from '../../oip/messages.ts';

/** Milliseconds between attempts to connect again. */
const MIN_RECONNECT_MS = 100;
const MAX_RECONNECT_MS = 2_000;
/**
 * Milliseconds after which a connection is asked whether it is there, if an answer is awaited. Triton allows two such
 * questions without data in between, and closes the connection then.
 */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 5_000;

/** A call that failed, in gRPC's words. */
export class TritonError extends Error {
  /** Status of gRPC. */
  readonly status: number;
  /** Whether the server answered; otherwise there was no connection, or it broke, or the deadline passed. */
  readonly isAnswer: boolean;

  constructor({ code, details }: Pick<ServiceError, 'code' | 'details'>, isAnswer: boolean) {
    super(details);
    this.name = 'TritonError';
    this.status = code;
    this.isAnswer = isAnswer;
  }
}

/** What is called, and with what. */
interface TritonCall<Request extends Fields, Answer extends Fields> {
  readonly method: string;
  readonly requestType: MessageType<Request>;
  readonly request: Message<Request>;
  readonly answerType: MessageType<Answer>;
  readonly timeoutMs: number;
}

/** A connection to a server of the Open Inference Protocol in gRPC, which comes back by itself when it is lost. */
export class TritonClient {
  readonly address: string;
  readonly #grpc: Grpc;
  readonly #client: Client;
  readonly #logger: Logger;
  readonly #onLost: () => void;
  #lost = false;
  #closed = false;

  /** @param onLost called when the connection is lost, and when the first one cannot be made */
  constructor(grpc: Grpc, address: string, logger: Logger, onLost: () => void) {
    this.address = address;
    this.#grpc = grpc;
    this.#logger = logger;
    this.#onLost = onLost;
    this.#client = new grpc.Client(address, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': MIN_RECONNECT_MS,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      // Its subchannels would otherwise be shared with other clients in this process, and outlive this one.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_channelz': 0,
    });
    this.#watch(this.#client.getChannel().getConnectivityState(true));
  }

  /** Whether there is no connection, and the last attempt to make one has failed. */
  get lost(): boolean {
    return this.#lost;
  }

  /** @throws TritonError; Error when the answer is no such message */
  async call<Request extends Fields, Answer extends Fields>(
    call: TritonCall<Request, Answer>,
  ): Promise<Message<Answer>> {
    const { method, requestType, request, answerType, timeoutMs } = call;
    const bytes = encode(requestType, request);
    const answer = await new Promise<Buffer>((resolve, reject) => {
      this.#client.makeUnaryRequest(
        `/${INFERENCE_SERVICE}/${method}`,
        asIs,
        asIs,
        Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
        { deadline: Date.now() + timeoutMs },
        (error, message) => {
          if (error !== null) reject(this.#failure(error));
          else resolve(message ?? Buffer.alloc(0));
        },
      );
    });
    return decode(answerType, answer);
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  #failure(error: ServiceError): TritonError {
    const { status, connectivityState } = this.#grpc;
    const isConnected = this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
    const wasAnswered = error.code !== status.DEADLINE_EXCEEDED && error.code !== status.CANCELLED;
    return new TritonError(error, isConnected && wasAnswered);
  }

  /** Follows the state of the connection, and has a lost one made again, whether somebody asks for it or not. */
  #watch(state: number): void {
    const channel = this.#client.getChannel();
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, (error) => {
      if (this.#closed || error !== undefined) return;
      const now = channel.getConnectivityState(true);
      this.#note(now);
      this.#watch(now);
    });
  }

  #note(state: number): void {
    const { connectivityState } = this.#grpc;
    if (state === connectivityState.READY) {
      if (this.#lost) this.#logger.info({ triton: this.address }, 'Triton is back');
      this.#lost = false;
    } else if (state === connectivityState.TRANSIENT_FAILURE && !this.#lost) {
      this.#lost = true;
      this.#logger.error({ triton: this.address }, 'Triton is lost');
      this.#onLost();
    }
  }
}

function asIs(message: Buffer): Buffer {
  return message;
}
