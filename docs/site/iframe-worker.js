// Browsers refuse workers to pages that are opened from a folder. The search needs one: here it is
// a frame in which the worker's script runs. Pages that a server serves have the browser's own.
window.IFrameWorker = class extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    const inner = frame.contentWindow;
    this.waiting = [];
    inner.answer = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
    inner.started = () => {
      this.inner = inner;
      this.waiting.splice(0).forEach((data) => this.postMessage(data));
    };
    inner.document.open();
    inner.document.write(`<script>
      window.postMessage = (data) => answer(data);
      window.importScripts = (...urls) => urls.reduce((before, url) => before.then(() =>
        new Promise((loaded) => {
          const script = document.createElement("script");
          script.onload = loaded;
          script.src = url;
          document.head.append(script);
        })), Promise.resolve());
      document.currentScript.remove();
    <\/script><script src="${new URL(url, document.baseURI)}" onload="started()"><\/script>`);
    inner.document.close();
  }
  postMessage(data) {
    if (this.inner) this.inner.dispatchEvent(new MessageEvent("message", { data }));
    else this.waiting.push(data);
  }
};
if (location.protocol === "file:") window.Worker = window.IFrameWorker;
