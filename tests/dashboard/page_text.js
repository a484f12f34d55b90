() => {
  const faults = [];
  const room = 1.5;
  if (document.documentElement.scrollWidth > innerWidth + 1) {
    faults.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  }
  const scrolls = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX + getComputedStyle(e).overflowY);
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('.sr, .skip, script, option, textarea, .modebar, details:not([open]) > :not(summary)')) continue;
    const style = getComputedStyle(parent);
    if (style.visibility === 'hidden' || style.opacity === '0' || !parent.getClientRects().length) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const svg = parent.closest('svg');
    const rects = svg ? [parent.closest('text')?.getBoundingClientRect()] : [...range.getClientRects()];
    let clip = null;
    for (let e = parent; e; e = e.parentElement) {
      if (!svg && scrolls(e) && e !== document.documentElement && e !== document.body) { clip = e.getBoundingClientRect(); break; }
    }
    for (const rect of rects) {
      if (!rect || rect.width < 1 || rect.height < 1) continue;
      let { left, right, top, bottom } = rect;
      if (clip) {
        left = Math.max(left, clip.left); right = Math.min(right, clip.right);
        top = Math.max(top, clip.top); bottom = Math.min(bottom, clip.bottom);
        if (right - left < 1 || bottom - top < 1) continue;
      } else {
        const words = node.textContent.trim().slice(0, 40);
        if (left < -room || right > innerWidth + room) faults.push(`“${words}” leaves the window`);
        const block = parent.closest('.card, .facts > div, header.bar, dialog, main');
        const box = block?.getBoundingClientRect();
        if (box && (right > box.right + room || left < box.left - room || bottom > box.bottom + room + 1)) {
          faults.push(`“${words}” leaves its ${block.className || block.tagName}`);
        }
      }
      const shape = svg ? parent.closest('text') : node;
      boxes.push({ left, right, top, bottom, shape, words: node.textContent.trim().slice(0, 40) });
    }
  }
  for (let i = 0; i < boxes.length; i++) {
    for (let j = i + 1; j < boxes.length; j++) {
      const [a, b] = [boxes[i], boxes[j]];
      if (a.shape === b.shape) continue;
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (across > 2 && down > 4) faults.push(`“${a.words}” lies over “${b.words}”`);
    }
  }
  return [...new Set(faults)];
}
