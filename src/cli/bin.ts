#!/usr/bin/env node
/** The command line. What it does is in cli/. */
import { main } from './main.js';

await main(process.argv.slice(2));
