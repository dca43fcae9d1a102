import type { Client } from './api/client.ts';
import type { Route } from './router.ts';
import type { Session } from './session.ts';
import type { ShowBadge } from './shell.ts';

/** Dependencies of a screen. */
export interface ScreenContext {
  readonly route: Route;
  readonly client: Client;
  readonly session: Session;
  readonly showBadge: ShowBadge;
}

/** A screen that is shown. */
export interface Screen {
  /** The title of the window. */
  readonly title: string;
  readonly element: HTMLElement;
  /** Ends requests, streams and timers of the screen. */
  close?(): void;
}

export type OpenScreen = (context: ScreenContext) => Screen;
