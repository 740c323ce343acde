import { describe, expect, it } from 'vitest';
import { compareWithBaseline, toReportView } from '../../../../src/extension/benchmark/reportView';
import { benchmarkReport } from '../../../fakes/benchmarkReport';

describe('toReportView', () => {
  it('leaves the verdict to the view, and shows limits, text times and what was before', () => {
    const view = toReportView({ id: 'a', report: benchmarkReport() }, []);
    expect(view.columns.map((column) => column.title)).not.toContain('decode speed');
    expect(view.title).toBe('Against others: glm-local-demo-chat');
    expect(view.columns[1]?.title).toBe('decode tok/s');
    expect(view.cases[0]?.cells).toHaveLength(view.columns.length);
    expect(view.facts).toContainEqual({ label: 'Before', value: 'nothing else used the devices.' });
    expect(view.facts.find((fact) => fact.label === 'Copy limit')?.value).toContain('20 GB/s');
    expect(view.facts.find((fact) => fact.label === 'Text')?.value).toContain('in no other figure');
  });

  it('judges the others against any case, and says what a server broke', () => {
    const report = benchmarkReport();
    expect(compareWithBaseline(report, 0).map((each) => each.kind)).toEqual(['baseline', 'compared', 'not-comparable']);
    expect(compareWithBaseline(report, 0)[1]).toMatchObject({ ratio: 2, isUnreliable: false, text: '2.00 × (2.00 to 2.00)' });
    expect(compareWithBaseline(report, 1)[0]).toMatchObject({ ratio: 0.5 });
    expect(compareWithBaseline(report, 0)[2]?.text).toBe('not comparable: cache');
  });

  it('draws a trend of the same machine and model only', () => {
    const report = benchmarkReport();
    const other = { ...report, environment: { ...report.environment, cpu: 'another' } };
    const { trends } = toReportView({ id: 'a', report }, [
      { id: 'a', report },
      { id: 'b', report: other },
      { id: 'c', report: { ...report, startedAt: '2025-12-31T00:00:00Z' } },
    ]);
    expect(trends[0]?.points.map((point) => point.reportId)).toEqual(['c', 'a']);
  });
});
