/** `<epoch>-<seq>` as a position; null when it is none. */
export function position(cursor) {
  const [, epoch, seq] = /^([0-9a-z]{1,32})-(\d{1,16})$/.exec(cursor ?? '') ?? [];
  return epoch === undefined ? null : { epoch, seq: Number(seq) };
}

export const cursorOf = ({ epoch, seq }) => `${epoch}-${seq}`;
export const same = (a, b) => Boolean(a && b) && a.epoch === b.epoch && a.seq === b.seq;
