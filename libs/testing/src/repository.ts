import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root folder of the repository; the same from sources and from the build. */
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/** Entry point of the host, as it is shipped. */
export const HOST_ENTRY = join(REPOSITORY, 'services/platform/dist/main.js');

/** Entry point of the command line, as it is shipped. */
export const CLI_ENTRY = join(REPOSITORY, 'services/cli/dist/main.js');
