import { describeSimulation } from './describe-simulation.js';

describeSimulation('a process each');
