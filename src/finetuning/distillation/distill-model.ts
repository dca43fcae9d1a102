import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { ImageSource } from '../dataset/image-source.ts';
import { trimCache } from '../features/cache-folder.ts';
import { extractFeatures, sampleSources } from '../features/dataset-features.ts';
import type { FeatureExtraction } from '../features/feature-extraction.ts';
import { openTeacher, openTrainingNetwork } from '../features/feature-network.ts';
import { IN_FLIGHT } from '../features/local-model.ts';
import { expectRoom } from '../features/stage-maps.ts';
import { withTraining } from '../training.ts';
import { openExtraction } from '../training-extraction.ts';
import type { DistillationTask, TrainingResult } from '../training-messages.ts';
import { type OnProgress, phaseTimer } from '../training-progress.ts';
import type { DistillationData } from './distillation-data.ts';
import { measureModels } from './model-speed.ts';
import { readPictures } from './pictures.ts';
import { trainStudent } from './train-student.ts';
import { writeDistilled } from './write-distilled.ts';

/**
 * Teaches a student the answers of a teacher on pictures without labels, and writes the files of a new version: pictures
 * -> features and answers -> head and last stage -> files. Meant for a process of its own, as `trainModel`.
 * @param reserveVersion gives the number of the new version; called once the student is trained
 * @throws AppError when the pictures cannot be used, or the student's last stage cannot be trained
 */
export async function distillModel(
  task: DistillationTask,
  reserveVersion: () => Promise<number>,
  report: OnProgress,
): Promise<TrainingResult> {
  return await withTraining(task, report, async ({ source, onProgress, besideTensorFlow }) => {
    const { extracted: data, tf, computed } = await besideTensorFlow(extract(task, source, onProgress));
    const trained = await trainOn(tf, task, data, onProgress);
    onProgress({ phase: 'exporting' });
    const summary = await writeDistilled({
      task,
      version: await reserveVersion(),
      data,
      trained,
      speeds: await measureModels([task.teacher, task.student]),
      ...computed(),
    });
    return { accuracy: trained.test.agreement, currentAccuracy: undefined, summary };
  });
}

async function trainOn(tf: TensorFlow, task: DistillationTask, data: DistillationData, onProgress: OnProgress) {
  try {
    return await trainStudent(tf, task, data, onProgress);
  } finally {
    data.maps?.close();
    await trimCache(task.featureDir, task.maxFeatureBytes);
  }
}

/** Features of the student and answers of the teacher, each of which is computed once and kept on disk. */
async function extract(task: DistillationTask, source: ImageSource, onProgress: OnProgress): Promise<DistillationData> {
  const { options, workDir } = task;
  const networks = [await openTrainingNetwork(options, task.student, workDir), openTeacher(task.teacher)] as const;
  const extractions: FeatureExtraction[] = [];
  try {
    const [student, teacher] = [await openExtraction(task, networks[0]), await openExtraction(task, networks[1])];
    extractions.push(student, teacher);
    if (student.mapSize !== undefined) expectRoom(source.files.length, options.augmentation.copies, student.mapSize);
    const timer = phaseTimer();
    const split = { seed: options.seed, validationShare: options.validation_share, testShare: options.test_share };
    const pictures = await readPictures(source, extractions, split, IN_FLIGHT, (done, total) =>
      onProgress({ phase: 'inspecting', done, total, ...timer(done, total) }),
    );
    const images = pictures.pictures.map((picture) => ({ ...picture, classIndex: 0 }));
    const copying = phaseTimer();
    const extracted = (extraction: FeatureExtraction, before: number) =>
      extractFeatures({ images, negatives: [] }, source, extraction, {
        concurrency: IN_FLIGHT,
        onProgress: (done, total) =>
          onProgress({
            phase: 'augmenting',
            done: before * total + done,
            total: 2 * total,
            ...copying(before * total + done, 2 * total),
          }),
      });
    const features = await extracted(student, 0);
    return {
      pictures,
      features,
      answers: await extracted(teacher, 1),
      sources: sampleSources(images, options.augmentation.copies),
      maps: networks[0].entry && student.openMaps(),
      onnxRuntimeVersion: await networks[0].loaded,
    };
  } finally {
    for (const extraction of extractions) extraction.close();
    await Promise.all(networks.map((network) => network.close()));
  }
}
