import { ClassHierarchy } from '../../registry/class-hierarchy.ts';
import type { ConceptGraph } from '../../registry/concept-graph.ts';
import { type HierarchicalAccuracy, HierarchyTally } from '../../registry/hierarchical-accuracy.ts';
import { argmaxRows } from '../head/softmax.ts';
import type { TestResult } from '../head/test-result.ts';

/** The concept that `hierarchy=true` names by default is the deepest that is at least as likely as not. */
const THRESHOLD = 0.5;

/**
 * How near the answers for the test images are in the hypernym graph.
 * @param synsets of the classes by index; images of classes without one that the graph knows are not counted
 * @returns undefined when no image is counted
 */
export function testHierarchy(
  { probabilities, labels }: Pick<TestResult, 'probabilities' | 'labels'>,
  synsets: readonly (string | undefined)[],
  graph: ConceptGraph,
): HierarchicalAccuracy | undefined {
  const classes = synsets.length;
  const hierarchy = new ClassHierarchy(
    graph,
    synsets.map((synset, index) => ({ label: String(index), ...(synset !== undefined && { synset }) })),
  );
  const predicted = argmaxRows(probabilities, classes);
  const tally = new HierarchyTally(graph);
  for (const [row, label] of labels.entries()) {
    const truth = synsets[label];
    if (truth === undefined || graph.find(truth) === undefined) continue;
    const scores = hierarchy.scores(probabilities.subarray(row * classes, (row + 1) * classes));
    tally.add({ truth, concept: hierarchy.backOff(scores, THRESHOLD) ?? null }, synsets[predicted[row] ?? 0]);
  }
  return tally.result();
}
