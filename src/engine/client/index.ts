/** The public surface of the client: what front ends import. */
export { cudaInstallFolder, defaultCacheFolder } from './cacheFolder';
export { systemClock, type Clock } from './clock';
export { EngineLostError } from './engineLostError';
export { EngineSupervisor, NoModelError, type EngineState, type SupervisorOptions } from './engineSupervisor';
export { startEngine, type EngineClient, type GenerationListener, type StartEngineOptions } from './startEngine';
export { startMonitor, type MonitorClient, type StartMonitorOptions } from './startMonitor';
