import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * What a link does: `open` passes everything on; `paused` takes connections and bytes and keeps them until it is open
 * again, as a network does that loses packets; `cut` breaks connections and refuses new ones; `slow` passes each piece on
 * after `LATENCY_MS`.
 */
export type LinkState = 'open' | 'paused' | 'cut' | 'slow';

const LATENCY_MS = 400;

/** A connection between a machine and a service, as a TCP proxy on a port of its own. */
export class TcpLink {
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: LinkState = 'open';
  #opened: Promise<void> = Promise.resolve();
  #open: () => void = () => {};

  private constructor(target: number) {
    this.#target = target;
    this.#server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => this.#join(socket));
  }

  /** @param target port of the service on 127.0.0.1 */
  static async listen(target: number): Promise<TcpLink> {
    const link = new TcpLink(target);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  set(state: LinkState): void {
    if (state === 'paused' && this.#state !== 'paused') {
      this.#opened = new Promise((resolve) => {
        this.#open = resolve;
      });
    } else if (state !== 'paused') this.#open();
    this.#state = state;
    if (state === 'cut') this.#break();
  }

  async close(): Promise<void> {
    this.#open();
    this.#break();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #break(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: Socket): void {
    if (this.#state === 'cut') {
      near.destroy();
      return;
    }
    const far = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      // The other end learns of it by the end of the connection.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    void this.#forward(near, far);
    void this.#forward(far, near);
  }

  async #forward(from: Socket, to: Socket): Promise<void> {
    try {
      // The other direction goes on when this one has ended.
      for await (const piece of from.iterator({ destroyOnReturn: false })) {
        if (this.#state === 'slow') await delay(LATENCY_MS);
        await this.#opened;
        if (to.destroyed) return;
        if (!to.write(piece as Buffer)) await once(to, 'drain');
      }
      to.end();
    } catch {
      // One of the two was broken.
      to.destroy();
    }
  }
}
