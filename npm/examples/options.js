// How the examples connect: by what their URL says.

/** Options for `connect`: the channel and the server of the URL, and the worker beside the page. */
export function options(name) {
  const { searchParams } = new URL(location.href);
  return {
    channel: searchParams.get("channel") ?? `example-${name}`,
    server: searchParams.get("server"),
    worker: "./bellwether-sw.js",
  };
}
