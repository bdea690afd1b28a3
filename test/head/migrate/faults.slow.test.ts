/** What becomes of a connection when the delivery that it is to move to fails, where the head's main thread moves it. */
import '../../support/traced.ts';
import { testFaults } from '../../support/migration-faults.ts';

testFaults({});
