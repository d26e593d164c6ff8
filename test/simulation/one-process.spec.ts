import { describeSimulation } from './describe-simulation.js';

describeSimulation('one process');
