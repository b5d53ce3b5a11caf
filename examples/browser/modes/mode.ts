/** What the page asks of each of its modes. A mode has a panel beside the picture, `#panel-<name>`, and answers pictures. */
import type { Client } from '../client.js';
import type { Label, ModelFiles, ModelInfo, Task, Times } from '../protocol.js';

export type ModeName = 'what' | 'where' | 'teach';

/** What the page gives to a mode. */
export interface Shell {
  readonly client: Client;
  /** Runs what a visitor asked for, and says so if it fails. */
  act(action: () => Promise<unknown>): void;
  /** Looks at the picture anew. */
  again(): Promise<void>;
  /** Is the camera on? */
  filming(): boolean;
  /** Starts the camera. */
  startCamera(): Promise<void>;
  /** Answers with what the visitor taught in place of the page's own network. */
  adoptKept(): Promise<void>;
}

export interface Mode {
  readonly name: ModeName;
  /** The network that the figure of the inside is about; null in a mode without one. */
  readonly task: Task | null;
  /** The label that the end of the figure explains. */
  readonly explained?: Label | undefined;
  /** The panel is shown. */
  enter?(): void;
  /** Another mode is chosen. */
  leave?(): void;
  /** What becomes of files that are dropped here; without it they are what the page takes. */
  dropText?(on: Element | null): string;
  /**
   * Files were dropped.
   * @returns whether the mode took them; else the page does
   */
  drop?(files: ModelFiles, on: Element | null): Promise<boolean>;
  /** There is another picture, or the camera was started. It is not called for each frame. */
  forget?(): void;
  /** Its network is loaded. It may be another one than before. */
  loaded?(info: ModelInfo): void;
  /**
   * Answers the picture that the worker has seen.
   * @param stale whether another picture or mode came meanwhile: then nothing may be shown
   * @returns how long it took; null when stale, or where nothing was computed
   */
  look(stale: () => boolean, live: boolean): Promise<Times | null>;
}

/** Longest edge of colors over the picture. */
export const edgeFor = (live: boolean): number => (live ? 320 : 640);
