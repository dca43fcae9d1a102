/** Priorities of images, the most urgent first: a person waits, batch work, training. */
export const PRIORITIES = ['interactive', 'bulk', 'training'] as const;
export type Priority = (typeof PRIORITIES)[number];
