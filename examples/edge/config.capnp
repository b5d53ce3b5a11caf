# The bundled Worker for a workerd of one's own: workerd serve config.capnp
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .classify)],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);

const classify :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "bundle/worker.js"),
    (name = "mobilenet-v2/kernels.wasm", wasm = embed "node_modules/mobilenet-v2/dist/kernels.wasm"),
    (name = "model/model.safetensors", data = embed "model/model.safetensors"),
  ],
  compatibilityDate = "2026-09-01",
);
