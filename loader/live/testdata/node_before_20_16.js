// Node.js before 20.16 has no process.getBuiltinModule.
delete process.getBuiltinModule;
setInterval(() => {}, 1e6);
console.log('ready');
