const EVENT_CHARS = 64 << 20; // one event of a stream; a longer one ends the connection

/** The bytes of a stream (WHATWG HTML, section 9.2.6). */
export class Parser {
  #decoder = new TextDecoder();
  #rest = '';
  #event = { name: '', data: [], id: null };
  retry = null; // ms, once the gateway has said

  /** The events that these bytes complete. */
  * feed(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    this.#rest += text;
    if (this.#rest.length > EVENT_CHARS) throw new Error('event_too_long');
    if (!/[\r\n]/.test(text)) return; // a long line is searched once, not with each of its pieces
    // A \r at the very end may be the first half of \r\n.
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === '') yield* this.#complete();
      else this.#field(line);
    }
  }

  #field(line) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#event.data.push(value);
    else if (name === 'event') this.#event.name = value;
    else if (name === 'id' && !value.includes('\0')) this.#event.id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }

  * #complete() {
    const { name, data, id } = this.#event;
    this.#event = { name: '', data: [], id: null };
    if (data.length > 0) yield { name: name || 'message', data: data.join('\n'), id };
  }
}
