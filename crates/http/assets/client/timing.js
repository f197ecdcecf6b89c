export const delay = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
export const unique = () => crypto.getRandomValues(new Uint32Array(4)).join('-');
