/** On the server the package is required from node_modules as it is: it finds its weights and threads beside itself. */
export default { serverExternalPackages: ['mobilenet-v2'] };
