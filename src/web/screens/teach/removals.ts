import { showToast, type Toast } from '../../components/toast.ts';
import type { Removal } from '../../draft/edits.ts';
import type { DraftHolder } from '../../draft/holder.ts';

/**
 * Removes, and offers to take it back. Removals of the same group in a row are taken back together.
 * @returns @param group for example the class of an image
 */
export type Remove = (removal: Removal, group?: string) => void;

export function removals(drafts: DraftHolder): Remove {
  let last: { readonly group: string; readonly removals: readonly Removal[]; readonly toast: Toast } | undefined;
  return (removal, group) => {
    const before = group !== undefined && last?.group === group && last.toast.isShown() ? last : undefined;
    const all = [...(before?.removals ?? []), removal];
    before?.toast.close();
    drafts.edit(removal.edit);
    const undo = (): void => {
      for (const each of all.toReversed()) drafts.edit(each.undo);
    };
    const pictures = all.reduce((sum, each) => sum + each.pictures, 0);
    const toast = showToast(`Removed ${removal.what(pictures)}.`, { label: 'Undo', run: undo });
    last = group === undefined ? undefined : { group, removals: all, toast };
  };
}
