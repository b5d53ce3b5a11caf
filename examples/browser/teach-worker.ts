/** The worker that trains: it has the visitor's pictures and a network of its own, so that the page's worker goes on answering. */
import 'mobilenet-v2';
import { serveTraining } from 'mobilenet-v2/train';

serveTraining();
