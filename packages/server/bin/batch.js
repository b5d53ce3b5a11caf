#!/usr/bin/env node
// `mobilenet-v2-batch`. Not in dist/: npm links programs of a clone before it builds, and only those that are there.
import '../dist/bin/batch.js';
