/** Entry of the worker thread that converts files to safetensors. */
import { parentPort, workerData } from 'node:worker_threads';
import { pytorchToSafetensors } from '../convert/formats/pytorch/checkpoint.ts';
import { openTfjsFiles } from '../convert/formats/tfjs-import/files.ts';
import { writeNetworkTensors } from '../convert/formats/tfjs-import/graph-table.ts';
import { importTfjs } from '../convert/formats/tfjs-import/reader.ts';
import { writeBackbone } from '../convert/transfer/backbone.ts';
import type { SafetensorsResults, SafetensorsTask } from './to-safetensors.ts';

async function run(task: SafetensorsTask): Promise<SafetensorsResults[SafetensorsTask['type']]> {
  switch (task.type) {
    case 'pytorch':
      await pytorchToSafetensors(task.from, task.to);
      return undefined;
    case 'tfjs': {
      const network = await importTfjs(await openTfjsFiles(task.from), task.inputSize);
      await writeNetworkTensors(network, task.to);
      return network.table;
    }
    case 'keras': {
      // Loads the HDF5 library, which no other task needs.
      const { importKerasModel } = await import('../convert/import/import-keras.ts');
      return await importKerasModel(task.from, task.inputSize, task.to);
    }
    case 'backbone':
      return await writeBackbone(task.from, task, task.to);
  }
}

parentPort?.postMessage(await run(workerData as SafetensorsTask));
