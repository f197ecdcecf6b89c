// Runs in a page of a test: follows a stream and notes all that it tells. Its argument is what `connect` takes, and `module`, where
// the module lies, `name`, by which the test finds it, and a token: `bearer` is sent as such, `login` is changed into tickets.
const { module = '/client.js', bearer, login, name = 'stream', ...options } = arguments[0];
const EVENTS = ['push', 'open', 'gap', 'upstream', 'status', 'error', 'shutdown', 'tenant-removed', 'event'];

return import(module).then(({ connect }) => {
  const heard = []; // [name of the event, its detail]
  const asked = []; // tickets that were fetched
  const authorization = `Bearer ${login}`;
  if (bearer) options.token = () => bearer;
  if (login) {
    options.ticket = async () => {
      const answer = await fetch('/tickets', { method: 'POST', headers: { authorization } });
      asked.push((await answer.json()).ticket);
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
