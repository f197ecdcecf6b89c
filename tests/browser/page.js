// Runs in a page of a test: follows a stream and notes all that it tells. Its argument is what `connect` takes, and `module`, where
// the module lies; `ticket` is a text here, which each ticket begins with.
const { module = '/client.js', ticket, name = 'stream', ...options } = arguments[0];
const EVENTS = ['push', 'open', 'gap', 'upstream', 'status', 'error', 'shutdown', 'tenant-removed', 'event'];

return import(module).then(({ connect }) => {
  const heard = []; // [name of the event, its detail]
  const asked = []; // tickets that were fetched
  if (ticket) {
    options.ticket = async () => {
      asked.push(`${ticket}${asked.length}`);
      return asked.at(-1);
    };
  }
  const stream = connect(options);
  for (const event of EVENTS) {
    // An error has its texts beside its own fields, where JSON does not look.
    stream.addEventListener(event, ({ detail }) => heard.push([event, { ...detail }]));
  }
  window[name] = { stream, heard, asked };
});
