// As node_before_20_16.js, an ES module, which has no require.
delete process.getBuiltinModule;
setInterval(() => {}, 1e6);
console.log('ready');
