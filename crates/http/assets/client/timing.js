/** What a promise gives, or nothing once so many milliseconds are over. */
export async function within(ms, promise) {
  let timer;
  const over = new Promise((resolve) => { timer = setTimeout(resolve, ms); });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

export const unique = () => crypto.getRandomValues(new Uint32Array(4)).join('-');
