import { readResumeObject } from '../../../shared/tcp-repair/resume.ts';
import { testCompiled } from '../../support/compiled.ts';

testCompiled('shared/tcp-repair/resume.bpf.c', readResumeObject);
