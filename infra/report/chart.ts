/** What any report can be made of besides its cases: plots and tables, as data. */
import { z } from 'zod';

const axisSchema = z.object({
  title: z.string(),
  unit: z.string().describe('behind each value; ms and s are shown as durations; empty for plain numbers'),
  log: z.boolean(),
});

const lineSchema = z.object({
  name: z.string(),
  way: z.string().nullable().describe('decides its colour; null: the next free one'),
  run: z.int().optional().describe('of several compared; those after the first are dashed'),
  kind: z.enum(['measured', 'steps', 'model']).describe('a model is dashed and has no points'),
  points: z.array(
    z.object({
      x: z.number(),
      y: z.number().nullable().describe('null: nothing was seen there'),
      low: z.number().optional().describe('95 % bootstrap interval, where there is one'),
      high: z.number().optional(),
    }),
  ),
});

export const chartSchema = z.object({
  title: z.string(),
  lead: z.string().describe('how to read it'),
  x: axisSchema,
  y: axisSchema,
  lines: z.array(lineSchema),
  events: z.array(z.object({ x: z.number(), label: z.string() })).describe('marked on the x axis'),
});

export const tableSchema = z.object({
  title: z.string(),
  lead: z.string(),
  columns: z.array(z.string()),
  rows: z.array(z.array(z.string())).describe('the first cell names the row'),
});

export const heatSchema = z
  .object({
    way: z.string(),
    columns: z.array(
      z.object({
        x: z.number().describe('seconds since the beginning'),
        width: z.number().describe('seconds'),
        cells: z
          .array(z.tuple([z.number(), z.number()]))
          .describe('the longest duration in microseconds, and how many visits took about that'),
      }),
    ),
  })
  .describe('how long the visits of one way took, over time');

export type Heat = z.infer<typeof heatSchema>;
export type Chart = z.infer<typeof chartSchema>;
export type Line = z.infer<typeof lineSchema>;
export type Table = z.infer<typeof tableSchema>;
