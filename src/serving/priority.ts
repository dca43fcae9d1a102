/** Who goes first when engines are scarce: a person waiting, then batch work, then training. Most urgent first. */
export const PRIORITIES = ['interactive', 'bulk', 'training'] as const;
export type Priority = (typeof PRIORITIES)[number];
