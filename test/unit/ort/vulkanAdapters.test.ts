import { describe, expect, it } from 'vitest';
import { preferredVulkanAdapter, type VulkanAdapter } from '../../../src/ort/vulkanAdapters';

describe('preferredVulkanAdapter', () => {
  const adapters: VulkanAdapter[] = (['software', 'integrated', 'discrete'] as const).map((kind) => ({ name: kind, kind, vendorId: 0, hasF16: true, memoryBytes: 1 }));

  it('takes a real GPU before a rasteriser, the discrete one first', () => {
    expect(preferredVulkanAdapter(adapters)?.name).toBe('discrete');
    expect(preferredVulkanAdapter(adapters.slice(0, 2))?.name).toBe('integrated');
    expect(preferredVulkanAdapter(adapters.slice(0, 1))?.name).toBe('software');
    expect(preferredVulkanAdapter([])).toBeUndefined();
  });
});
