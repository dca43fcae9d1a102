import { type Command, UsageError } from './command.ts';

/** Takes a model in that was made elsewhere. */
export const importModel: Command = {
  usage: 'import <file> --name <name>',
  summary: 'takes in a model that was made elsewhere',
  run: async () => {
    throw new UsageError('nothing can be imported yet');
  },
};
