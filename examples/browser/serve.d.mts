/** For the tests, which are TypeScript. */
export declare const ISOLATION: Readonly<Record<string, string>>;
export declare function serve(
  folder: string,
  port?: number,
  headers?: Readonly<Record<string, string>>,
): Promise<number>;
