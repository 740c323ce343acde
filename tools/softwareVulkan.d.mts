export const missingSoftwareVulkan: string;
export function findSoftwareVulkan(): string | undefined;
