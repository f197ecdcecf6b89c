/** An answer of the gateway that is an error (RFC 9457). */
export class PushgateError extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title ?? `HTTP status ${problem.status}`);
    Object.assign(this, { name: 'PushgateError', type: 'about:blank', title: '' }, problem);
  }
}

/** Whether it is the gateway that refuses, and not something on the way to it. */
export function isProblem(response) {
  return (response.headers.get('content-type') ?? '').startsWith('application/problem+json');
}

export async function problemOf(response) {
  const problem = isProblem(response) ? await response.json().catch(() => ({})) : {};
  return { type: 'about:blank', title: response.statusText, ...problem, status: response.status };
}
