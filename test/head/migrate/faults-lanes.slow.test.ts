/** The same where the head's workers move connections themselves, and what becomes of them when only a lane fails. */
import '../../support/traced.ts';
import { testLaneFaults } from '../../support/lane-faults.ts';
import { testFaults } from '../../support/migration-faults.ts';

testFaults({ lanes: true });
testLaneFaults();
